"""Where uWSGI finds the application: `module = wsgi:app` in myapp.ini."""

from myapp import create_app

app = create_app()
