from libs.runtime import run
from services.store import app

run(app)
