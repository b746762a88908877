from typing import final

@final
class Clock:
    def cancel(self) -> None: ...
