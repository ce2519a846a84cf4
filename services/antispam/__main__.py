from libs.runtime import run
from services.antispam import app

run(app)
