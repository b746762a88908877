"""Fields that can be had by key, too."""

from dataclasses import fields


class Record:
    """Attributes that can also be had by key, as in SciPy's results."""

    def keys(self):
        """The names of the fields."""
        return [field.name for field in fields(self)]

    def __getitem__(self, key):
        if key not in self.keys():
            raise KeyError(key)
        return getattr(self, key)

    def __contains__(self, key):
        return key in self.keys()
