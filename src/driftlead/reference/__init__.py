"""The reference profile: what every signal looked like, and how good the answers were, when the model was."""

from driftlead.reference.profile import ReferenceProfile
from driftlead.reference.quality import ReferenceQuality

__all__ = ["ReferenceProfile", "ReferenceQuality"]
