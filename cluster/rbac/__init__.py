"""Pure: authorize an action on a resource. Default deny, deny wins."""
