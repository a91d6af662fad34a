//! What an application has set for Connect, for requests that leave it open.

use super::{Permission, PermissionSet, UnknownPermission, country::Country};

/// What an application has set; a request that says otherwise is over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// What it asks for when a request has no scope.
    pub permissions: Option<Wanted>,
    /// Where its owners are when a request has no flag for that.
    pub country: Option<Country>,
}

/// Permissions that are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// All of them.
    pub asked: PermissionSet,
    /// Those among them that an owner cannot take out.
    pub required: PermissionSet,
}

impl Wanted {
    /// Reads words like `read_odometer` and `required:read_odometer`.
    ///
    /// # Errors
    ///
    /// The first word that names no permission, without its prefix.
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownPermission> {
        words.into_iter().try_fold(Self::default(), |wanted, word| {
            let (name, must) = word.strip_prefix(REQUIRED).map_or((word, false), |name| (name, true));
            let permission: Permission = name.parse()?;
            let required = if must { wanted.required.with(permission) } else { wanted.required };
            Ok(Self { asked: wanted.asked.with(permission), required })
        })
    }

    /// The words that lead to it, in the order of the permissions' numbers.
    pub fn words(self) -> impl Iterator<Item = String> {
        self.asked.iter().map(move |permission| match self.required.contains(permission) {
            true => format!("{REQUIRED}{permission}"),
            false => permission.to_string(),
        })
    }
}

/// Stands before a permission that an owner cannot take out.
const REQUIRED: &str = "required:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_lead_to_their_words_and_back() {
        let words = ["read_vin", "required:read_odometer", "control_charge"];
        let wanted = Wanted::of_words(words).unwrap();
        assert_eq!(wanted.words().collect::<Vec<_>>(), words);
        assert_eq!(wanted.required.iter().collect::<Vec<_>>(), [Permission::ReadOdometer]);
        assert_eq!(Wanted::of_words(["read_vin", "required:x"]), Err(UnknownPermission("x".into())));
        assert_eq!(Wanted::of_words([]), Ok(Wanted::default()));
    }
}
