//! Networks and an ordered, seeded parameter store
