"""The test build: an app that is named in BILLY_APPS and so makes Billy able to fail on demand.

The product holds no code of this. It is read only where BILLY_CHAOS_FOLDER is set as well.
"""
