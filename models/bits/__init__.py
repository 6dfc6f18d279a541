"""What decides the bits of a model beside its description: code, libraries, device, generators."""
