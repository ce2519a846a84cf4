from libs.runtime import main
from services.antispam import app

main(app)
