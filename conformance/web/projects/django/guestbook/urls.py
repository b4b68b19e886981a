from django.contrib import admin
from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("queue/", views.queue),
    path("countdown/", views.countdown),
    path("async_countdown/", views.async_countdown),
    path("admin/", admin.site.urls),
]
