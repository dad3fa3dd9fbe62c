"""The admin as a whole: its name. The pages are the rooms'."""

from __future__ import annotations

from django.contrib import admin

admin.site.site_header = "Billy"
admin.site.site_title = "Billy"
admin.site.index_title = "What happened, and what is due"
# There is no other site to view: the front page of this one is the admin.
admin.site.site_url = None
