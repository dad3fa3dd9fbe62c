"""The commands: `manage.py help` lists them."""
