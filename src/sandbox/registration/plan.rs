//! What can be bought: plans, currencies and platforms.

use serde_json::{Value, json};

/// A premium plan. Amounts are in the currency's minor unit (cents, pence).
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) id: &'static str,
    name: &'static str,
    /// False for test plans, which run through every stage and charge nobody.
    pub(super) billable: bool,
    amounts: [(&'static str, u64); 3],
}

pub(super) const PLANS: [Plan; 3] = [
    Plan {
        id: "premium-monthly",
        name: "Premium, monthly",
        billable: true,
        amounts: [("EUR", 1_099), ("USD", 1_199), ("GBP", 999)],
    },
    Plan {
        id: "premium-annual",
        name: "Premium, annual",
        billable: true,
        amounts: [("EUR", 10_999), ("USD", 11_999), ("GBP", 9_999)],
    },
    Plan {
        id: "premium-canary",
        name: "Premium, for synthetic registrations",
        billable: false,
        amounts: [("EUR", 1_099), ("USD", 1_199), ("GBP", 999)],
    },
];

/// Platforms a registration can come from.
pub(super) const PLATFORMS: [&str; 3] = ["ios", "android", "web"];

impl Plan {
    pub(super) fn find(id: &str) -> Option<&'static Self> {
        PLANS.iter().find(|plan| plan.id == id)
    }

    /// The currency's own spelling and the amount, if the plan is sold in it.
    pub(super) fn price(&self, currency: &str) -> Option<(&'static str, u64)> {
        self.amounts.iter().copied().find(|(code, _)| *code == currency)
    }

    pub(super) fn to_json(&self) -> Value {
        let amounts: serde_json::Map<_, _> =
            self.amounts.iter().map(|&(code, amount)| (code.to_owned(), amount.into())).collect();
        json!({ "plan_id": self.id, "name": self.name, "billable": self.billable, "amounts": amounts })
    }
}
