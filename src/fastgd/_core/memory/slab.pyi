from typing import final

@final
class Slab: ...
