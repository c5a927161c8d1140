"""Signed webhooks: what happens to episodes, told to other systems until they have taken it.

Needs the extra ``driftlead[webhooks]``.
"""

from driftlead.webhooks.notifier import Notifier
from driftlead.webhooks.signature import new_secret, verify
from driftlead.webhooks.webhook import Webhook, deliver

__all__ = ["Notifier", "Webhook", "deliver", "new_secret", "verify"]
