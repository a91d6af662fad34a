//! Pages of lists: a cursor names the last item that was seen, so what is added or removed meanwhile neither repeats
//! nor skips anything else.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use utoipa::IntoParams;

use crate::problem::ApiError;

const MOST: usize = 100;
const USUAL: usize = 50;

/// `?cursor=&limit=` alone, for lists without filters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
    /// How many items, 1 to 100; 50 by default.
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 100)]
    limit: Limit,
}

impl PageQuery {
    /// Where the page begins, and how long it may be.
    pub(crate) fn of(&self, list: List) -> Result<(Option<u128>, usize), ApiError> {
        Ok((after(self.cursor.as_deref(), list)?, self.limit.0))
    }
}

/// How many items a page may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) usize);

impl Default for Limit {
    fn default() -> Self {
        Self(USUAL)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse() {
            Ok(limit @ 1..=MOST) => Ok(Self(limit)),
            _ => Err(D::Error::custom(format!("limit is a number from 1 to {MOST}"))),
        }
    }
}

/// Which list a cursor belongs to: one list's cursor means nothing in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Applications,
    Webhooks,
    Subscriptions,
    Deliveries,
    Vehicles,
    Connections,
    NewestConnections,
    Cars,
}

impl List {
    const fn letter(self) -> char {
        match self {
            Self::Applications => 'a',
            Self::Webhooks => 'w',
            Self::Subscriptions => 's',
            Self::Deliveries => 'd',
            Self::Vehicles => 'v',
            Self::Connections => 'c',
            Self::NewestConnections => 'n',
            Self::Cars => 'k',
        }
    }
}

/// What the cursor of a list says to go on after; nothing on the first page.
pub(crate) fn after(cursor: Option<&str>, list: List) -> Result<Option<u128>, ApiError> {
    let Some(cursor) = cursor else { return Ok(None) };
    let position = cursor.strip_prefix(list.letter()).filter(|digits| digits.len() == 32);
    match position.and_then(|digits| u128::from_str_radix(digits, 16).ok()) {
        Some(position) => Ok(Some(position)),
        None => Err(ApiError::invalid("cursor", "take the cursor from nextCursor of the page before")),
    }
}

/// The row number of a cursor's item.
pub(crate) fn row(position: u128) -> i64 {
    // A cursor that somebody made up names no row; the list then has nothing after it.
    i64::try_from(position).unwrap_or(i64::MAX)
}

/// Where the next page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    list: List,
    position: u128,
}

impl Cursor {
    /// After the item with a row number.
    pub(crate) fn after_row(list: List, row: i64) -> Self {
        Self { list, position: row.cast_unsigned().into() }
    }

    /// After the item with an id.
    pub(crate) fn after_id(list: List, id: uuid::Uuid) -> Self {
        Self { list, position: id.as_u128() }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:032x}", self.list.letter(), self.position)
    }
}

/// A page of a list. Its schema is [`Operation::page_of`](crate::route::Operation::page_of).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    items: Vec<T>,
    /// Ask for the next page with this as `cursor`; null on the last page.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page whose store knows whether there is more.
    pub(crate) fn new(items: Vec<T>, next: Option<Cursor>) -> Self {
        Self { items, next_cursor: next.map(|cursor| cursor.to_string()) }
    }

    /// A page of a list that has cursors of its own.
    pub(crate) fn at(items: Vec<T>, next_cursor: Option<String>) -> Self {
        Self { items, next_cursor }
    }

    /// A list that is never long.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        Self::new(items, None)
    }
}

/// Cuts a list that was read one item longer than the page, and says where the next page begins.
pub(crate) fn cut<T>(items: &mut Vec<T>, limit: usize, cursor: impl Fn(&T) -> Cursor) -> Option<Cursor> {
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    items.last().map(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_leads_back_to_its_row(number in 0..i64::MAX) {
            let text = Cursor::after_row(List::Vehicles, number).to_string();
            prop_assert_eq!(after(Some(&text), List::Vehicles).unwrap().map(row), Some(number));
        }
    }

    #[test]
    fn the_cursor_of_one_list_means_nothing_in_another() {
        let text = Cursor::after_row(List::Vehicles, 7).to_string();
        assert!(after(Some(&text), List::Connections).is_err());
        for made_up in
            ["", "v", "v7", "v000000000000000000000000000000+7", "ä0000000000000000000000000000007"]
        {
            assert!(after(Some(made_up), List::Vehicles).is_err(), "{made_up}");
        }
    }

    #[test]
    fn a_page_has_1_to_100_items() {
        let limit =
            |text: &str| serde_json::from_str::<Limit>(&format!("{text:?}")).map(|limit| limit.0).ok();
        assert_eq!((limit("1"), limit("100")), (Some(1), Some(100)));
        assert_eq!((limit("0"), limit("101"), limit("-1"), limit("x")), (None, None, None, None));
    }

    #[test]
    fn the_next_page_begins_after_the_last_item_of_this_one() {
        let mut items = vec![3, 5, 8];
        let next = cut(&mut items, 2, |&item| Cursor::after_row(List::Webhooks, item));
        assert_eq!((items, next), (vec![3, 5], Some(Cursor::after_row(List::Webhooks, 5))));
        assert_eq!(cut(&mut vec![3, 5], 2, |&item| Cursor::after_row(List::Webhooks, item)), None);
    }
}
