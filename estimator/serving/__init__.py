"""Energy and time of a model server from the model's structure, the machine and the traffic."""
