from libs.runtime import run
from services.router import app

run(app)
