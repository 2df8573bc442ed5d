"""Vector sets: elements, each with a vector, found by the similarity of their vectors."""
