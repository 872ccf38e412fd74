"""The only writers: carry a plan out, journaled; finish it, take it back, free its quarantine."""
