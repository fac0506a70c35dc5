"""Which page is where."""

from django.urls import path

from shop import views

urlpatterns = [
    path("", views.home),
    path("log-in", views.log_in),
    path("log-out", views.log_out),
    path("cart", views.add_to_cart),
    path("devices", views.devices),
    path("devices/end", views.end_device),
    path("devices/end-others", views.end_other_devices),
    path("devices/end-all", views.end_all_devices),
    path("handoff", views.hand_off),
]
