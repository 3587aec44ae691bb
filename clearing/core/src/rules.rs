//! The operations and what they are decided by, a room for each noun.

pub mod abandon;
pub mod care;
pub mod due;
pub mod forget;
pub mod founding;
pub mod funding;
pub mod hold;
pub mod limits;
pub mod notice;
pub mod partner;
pub mod purchase;
pub mod redemption;
pub mod reversal;
pub mod settlement;
pub mod statement;
pub mod transfer;
