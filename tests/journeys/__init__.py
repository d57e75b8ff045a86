"""Stories over real HTTP: a real gateway process, the vendors' own SDKs, and providers that can fail."""
