from libs.runtime import main
from services.antivirus import app

main(app)
