"""What a network is made of: flows on links, and when links are cut or slow."""
