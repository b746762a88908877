CAPSULES: dict[str, object]
