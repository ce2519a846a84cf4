from libs.runtime import main
from services.relay import app

main(app)
