from libs.runtime import main
from services.tally import app

main(app)
