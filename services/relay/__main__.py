from libs.runtime import run
from services.relay import app

run(app)
