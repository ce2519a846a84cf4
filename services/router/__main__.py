from libs.runtime import main
from services.router import app

main(app)
