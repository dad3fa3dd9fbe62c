"""The database backend of the crash enumerator: the product's own, with every effect numbered."""
