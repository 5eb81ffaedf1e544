"""Is your model easy to steal, and could you prove that it is yours?

Nothing is imported here, so that ``import stealproof`` stays fast: the module path is the public name,
for instance ``from stealproof.attacks.extraction.knockoff_nets import KnockoffNets``.
"""

__version__ = "0.1.0"
