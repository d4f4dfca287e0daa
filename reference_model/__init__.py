"""The triplet-domain translation model for old photographs.

``model = reference_model.load(path)``, then ``model.restore(photo)``: see ``reference_model.restorer``.
"""

from reference_model.restorer import Restorer, load

__all__ = ["Restorer", "load"]
