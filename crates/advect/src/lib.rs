//! Flow matching and its relatives on candle: the whole library in one dependency
