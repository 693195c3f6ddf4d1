# Importing Home Assistant replaces voluptuous by probatio; the type checker must see that one engine, too.
from probatio import *
