from libs.runtime import main
from services.store import app

main(app)
