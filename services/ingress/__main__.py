from libs.runtime import run
from services.ingress import app

run(app)
