"""Why a thing is kept, or since when it is dead: the objects of a store, who refers to whom, and how a name means one. Pure."""
