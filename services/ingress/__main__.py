from libs.runtime import main
from services.ingress import app

main(app)
