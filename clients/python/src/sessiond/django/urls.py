"""path("account/", include("sessiond.django.urls")): the views under their usual names."""

from django.urls import path

from sessiond.django.handoff import HandoffIssueView, HandoffRedeemView
from sessiond.django.views import DevicesView

app_name = "sessiond"
urlpatterns = [
    path("devices/", DevicesView.as_view(), name="devices"),
    path("handoff/", HandoffIssueView.as_view(), name="handoff"),
    path("handoff/redeem/", HandoffRedeemView.as_view(), name="handoff-redeem"),
]
