"""`./run start`: a product of one's own, made of the template."""
