"""How local rounds are computed: one model by itself (exact), or many side by side (batched)."""
