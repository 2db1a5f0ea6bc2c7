"""Where uWSGI finds the application: `module = wsgi:app` in myapp.ini."""

from pathlib import Path

from dotenv import load_dotenv

from myapp import create_app

load_dotenv(Path(__file__).with_name(".env"))
app = create_app()
