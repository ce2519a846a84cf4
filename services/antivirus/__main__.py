from libs.runtime import run
from services.antivirus import app

run(app)
