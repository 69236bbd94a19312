"""The API's operations as pure functions: arguments in, `Call` out. One file a resource."""
