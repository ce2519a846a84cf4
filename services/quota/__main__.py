from libs.runtime import main
from services.quota import app

main(app)
