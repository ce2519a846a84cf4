from libs.runtime import run
from services.quota import app

run(app)
