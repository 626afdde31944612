"""A process beside this one for work whose libraries and memory this one should not keep: it comes when it is called
and goes when it has been idle. Not for work that must survive this process: that ends with it.
"""

from .process import Helper as Helper
from .process import HelperGone as HelperGone
from .talk import say as say
