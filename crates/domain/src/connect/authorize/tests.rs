use super::*;
use crate::connect::form;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use std::collections::BTreeSet;

const ID: &str = "0190a8c8-0000-7000-8000-00000000000a";
const REDIRECT: &str = "https://app.example/auth/back?from=milepost";
const HASH: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn registered() -> Vec<String> {
    [REDIRECT, "http://localhost:8000/callback", "sc0190a8c8://back"].map(String::from).into()
}

/// Nothing set, and cars of the simulator.
fn terms(registered: &[String]) -> Terms<'_> {
    Terms { registered, usual: Defaults::default(), simulated: true }
}

fn ask(query: &str) -> Result<AuthorizeRequest, Refused> {
    authorize(Door::Authorize, query, &terms(&registered()))
}

/// A good request with more parameters.
fn with(more: &str) -> Result<AuthorizeRequest, Refused> {
    ask(&format!("client_id={ID}&response_type=code&{more}"))
}

fn check_refused(more: &str, expected: Expect) {
    let told = match with(more) {
        Err(Refused::Return(returned)) => {
            assert_eq!(returned.to, Destination::Redirect(REDIRECT.into()));
            format!("{}: {}", returned.error.as_str(), returned.description)
        }
        other => format!("{other:?}"),
    };
    expected.assert_eq(&told);
}

fn set(names: &[&str]) -> PermissionSet {
    names.iter().map(|name| name.parse::<Permission>().unwrap()).collect()
}

#[test]
fn both_styles_ask_for_the_same() {
    let newer = ask(&format!("application_id={ID}&response_type=code&external_id=o-1")).unwrap();
    let older = ask(&format!("client_id={ID}&response_type=code&external_id=o-1")).unwrap();
    assert_eq!(newer.external_id, ExternalId::Set("o-1".into()));
    assert_eq!(older, newer);
    let both = ask(&format!("client_id={ID}&application_id={ID}&response_type=code&external_id=null"));
    assert_eq!(both.unwrap().external_id, ExternalId::Clear);
}

#[test]
fn the_older_name_of_an_owner_changes_nothing() {
    for user in ["o-1", "null", "a%00", &"a".repeat(500)] {
        assert_eq!(with(&format!("user={user}")), with(""), "{user}");
    }
    assert_eq!(with("user=o-1&external_id=o-2"), with("external_id=o-2"));
}

#[test]
fn a_redirect_returns_the_id_of_an_owner_and_a_page_only_where_the_request_spoke_of_it() {
    let returns = |query: &str| ask(&format!("client_id={ID}&{query}")).unwrap().returns_external_id();
    assert!(returns("response_type=code") && returns("response_type=code&external_id=o-1"));
    assert!(!returns("response_type=none") && !returns("response_type=none&user=o-1"));
    assert!(returns("response_type=none&external_id=o-1"));
}

#[test]
fn an_id_that_is_known_changes_nothing() {
    let set = ExternalId::Set("o-1".into());
    assert!(set.is_known(Some("o-1")) && !set.is_known(Some("o-2")) && !set.is_known(None));
    assert!(ExternalId::Clear.is_known(None) && !ExternalId::Clear.is_known(Some("o-1")));
    assert!(ExternalId::Keep.is_known(None) && ExternalId::Keep.is_known(Some("o-1")));
}

#[test]
fn a_bare_request_goes_to_the_first_address_and_asks_for_all_that_can_be_read() {
    let request = with("state=x%20y").unwrap();
    assert_eq!(request.to, Destination::Redirect(REDIRECT.into()));
    assert_eq!(request.state.as_deref(), Some("x y"));
    assert!(
        request.asked.contains(Permission::ReadVin) && !request.asked.contains(Permission::ControlCharge)
    );
    assert_eq!((request.mode, request.force, request.single), (Mode::Live, false, false));
    assert_eq!(request.external_id, ExternalId::Keep);
}

#[test]
fn a_full_request_is_read() {
    let request = with(&format!(
        "scope=required:read_odometer+read_fuel&approval_prompt=force&mode=simulated&make=land_rover&single_select=true\
         &flags=beta:x+country:de+tesla_auth:true&code_challenge={HASH}&code_challenge_method=S256&sdk_platform=iOS\
         &client_secret=x&redirect_uri=http%3A%2F%2Flocalhost%3A50123%2Fcallback"
    ))
    .unwrap();
    assert_eq!(request.asked, set(&["read_odometer", "read_fuel"]));
    assert_eq!(request.required, set(&["read_odometer"]));
    assert!(request.force && request.single);
    assert_eq!((request.mode, request.make.as_deref()), (Mode::Simulated, Some("LAND ROVER")));
    assert_eq!(request.country.map(|country| country.code), Some("DE"));
    assert_eq!(request.challenge.as_deref(), Some(HASH));
    assert_eq!(request.to, Destination::Redirect("http://localhost:50123/callback".into()));
}

#[test]
fn a_vehicle_number_is_a_choice_of_one() {
    let request = with("single_select_vin=5yjsa1e29lf403082&make=BMW").unwrap();
    assert!(request.single);
    assert_eq!(request.vin.as_deref(), Some("5YJSA1E29LF403082"));
}

#[test]
fn what_is_wrong_is_told_to_the_application_with_what_to_write_instead() {
    check_refused(
        "scope=read_all",
        expect![
            "invalid_scope: scope has no permission read_all; permissions look like read_odometer or required:read_odometer"
        ],
    );
    check_refused("scope=+", expect!["invalid_scope: scope names no permission"]);
    check_refused("mode=real", expect!["invalid_request: mode is live, simulated or test"]);
    check_refused("approval_prompt=yes", expect!["invalid_request: approval_prompt is auto or force"]);
    check_refused("single_select=1", expect!["invalid_request: single_select is true or false"]);
    check_refused("mode=test&mode=live", expect!["invalid_request: a parameter is there more than once"]);
    check_refused("external_id=a%00", expect!["invalid_request: external_id has a control character"]);
    check_refused(
        &format!("external_id={}", "a".repeat(257)),
        expect!["invalid_request: external_id is longer than 256 bytes"],
    );
    check_refused(
        &format!("state={}", "a".repeat(4_097)),
        expect!["invalid_request: state is longer than 4096 bytes"],
    );
}

#[test]
fn a_response_type_that_there_is_not_is_refused() {
    for (query, error) in [
        (format!("client_id={ID}"), ConnectError::InvalidRequest),
        (format!("client_id={ID}&response_type="), ConnectError::InvalidRequest),
        (format!("client_id={ID}&response_type=token"), ConnectError::UnsupportedResponseType),
        (format!("client_id={ID}&response_type=id_token%20token"), ConnectError::UnsupportedResponseType),
        (format!("client_id={ID}&response_type=vehicle_id"), ConnectError::UnsupportedResponseType),
    ] {
        let Err(Refused::Return(returned)) = ask(&query) else { panic!("{query} was taken") };
        assert_eq!(returned.error, error, "{query}");
    }
}

#[test]
fn a_challenge_is_a_hash_or_nothing() {
    let refused = |more: &str| {
        let Err(Refused::Return(returned)) = with(more) else { panic!("{more} was taken") };
        assert_eq!(returned.error, ConnectError::InvalidRequest, "{more}");
    };
    refused(&format!("code_challenge={HASH}&code_challenge_method=plain"));
    refused(&format!("code_challenge={HASH}"));
    refused(&format!("code_challenge={HASH}&code_challenge_method=s256"));
    refused("code_challenge_method=S256");
    refused("code_challenge=short&code_challenge_method=S256");
    refused(&format!("code_challenge={}%3D&code_challenge_method=S256", &HASH[1..]));
    refused(&format!("code_challenge={HASH}&code_challenge={HASH}&code_challenge_method=S256"));
}

#[test]
fn before_the_application_is_known_nothing_goes_anywhere() {
    let on_page = |query: &str, problem| assert_eq!(ask(query), Err(Refused::OnPage(problem)), "{query}");
    on_page("", PageProblem::Client);
    on_page("response_type=code", PageProblem::Client);
    on_page("client_id=1&response_type=code", PageProblem::Client);
    on_page(
        &format!("client_id={ID}&application_id=0190a8c8-0000-7000-8000-00000000000b"),
        PageProblem::Client,
    );
    on_page(&format!("client_id={ID}&client_id={ID}"), PageProblem::Repeated);
    on_page(&format!("client_id={ID}&redirect_uri=a&redirect_uri=b"), PageProblem::Repeated);
    on_page(&format!("client_id={ID}&state=%ff"), PageProblem::Malformed);
    on_page(&format!("client_id={ID}&state={}", "a".repeat(9_000)), PageProblem::TooLong);
    on_page(&format!("client_id={ID}{}", "&a=1".repeat(70)), PageProblem::TooLong);
    let nowhere = authorize(Door::Authorize, &format!("client_id={ID}&response_type=code"), &terms(&[]));
    assert_eq!(nowhere, Err(Refused::OnPage(PageProblem::NoRedirectUri)));
}

#[test]
fn a_page_of_ours_tells_only_a_window_of_the_application() {
    let hosted = |origin: &str| {
        let query = form::write([("client_id", ID), ("response_type", "none"), ("app_origin", origin)]);
        ask(&query).map(|request| request.to)
    };
    let to = |origin: &str| Ok(Destination::Hosted { opener: Some(origin.into()) });
    assert_eq!(hosted("https://app.example"), to("https://app.example"));
    assert_eq!(hosted("http://localhost:3000"), to("http://localhost:3000"));
    for stranger in [
        "https://app.example.evil.example",
        "https://app.example/",
        "https://app.example:8443",
        "http://app.example",
        "https://evil.example",
        "null",
        "*",
        "https://",
        "https://a@app.example",
        "http://localhost.evil.example",
    ] {
        assert_eq!(hosted(stranger), Err(Refused::OnPage(PageProblem::AppOrigin)), "{stranger}");
    }
    let query =
        |origin: &str| form::write([("client_id", ID), ("response_type", "none"), ("app_origin", origin)]);
    let at_loopback = ["http://127.0.0.1:8000/callback".to_owned()];
    let hosted_there =
        |origin: &str| authorize(Door::Authorize, &query(origin), &terms(&at_loopback)).is_ok();
    assert!(hosted_there("http://127.0.0.1:3000") && !hosted_there("http://localhost:8000"));
    let alone = ask(&format!("client_id={ID}&response_type=none")).unwrap();
    assert_eq!(alone.to, Destination::Hosted { opener: None });
    let sdk = ["https://javascript-sdk.smartcar.com/v2/redirect?app_origin=https://shop.example".to_owned()];
    let query =
        form::write([("client_id", ID), ("response_type", "none"), ("app_origin", "https://shop.example")]);
    assert_eq!(
        authorize(Door::Authorize, &query, &terms(&sdk)).unwrap().to,
        to("https://shop.example").unwrap()
    );
}

#[test]
fn the_owners_own_page_asks_for_nothing_and_returns_nowhere() {
    let ask =
        |query: &str| authorize(Door::Access, &format!("client_id={ID}&{query}"), &terms(&registered()));
    let evil =
        "response_type=code&redirect_uri=https%3A%2F%2Fevil.example&app_origin=https%3A%2F%2Fevil.example";
    for query in ["", "mode=test", &format!("{evil}&scope=read_vin&vehicle_id={ID}")] {
        let request = ask(query).unwrap();
        assert_eq!(request.to, Destination::Hosted { opener: None }, "{query}");
        assert_eq!((request.answer, request.asked), (Answer::Nothing, set(&[])), "{query}");
    }
    assert_eq!(ask("mode=test").unwrap().mode, Mode::Test);
    assert!(
        matches!(ask("mode=x"), Err(Refused::Return(returned)) if returned.to == Destination::Hosted { opener: None })
    );
    assert_eq!(Door::from_number(Door::Access as u8), Some(Door::Access));
}

#[test]
fn a_vehicle_is_named_where_the_door_is_about_one() {
    let ask = |query: &str| {
        authorize(Door::Reauthenticate, &format!("client_id={ID}&{query}"), &terms(&registered()))
    };
    let request = ask(&format!("response_type=vehicle_id&vehicle_id={ID}&state=s")).unwrap();
    assert_eq!(
        (request.answer, request.vehicle.map(|id| id.to_string())),
        (Answer::Vehicle, Some(ID.into()))
    );
    assert_eq!(ask(&format!("response_type=none&vehicle_id={ID}")).unwrap().answer, Answer::Nothing);
    for refused in [
        "response_type=vehicle_id",
        "response_type=vehicle_id&vehicle_id=x",
        "response_type=code&vehicle_id=x",
    ] {
        assert!(matches!(ask(refused), Err(Refused::Return(_))), "{refused}");
    }
}

/// Addresses that look like a registered one and are another.
pub(crate) fn near_misses(registered: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut add = |uri: String| {
        found.insert(uri);
    };
    // One character less, one more, one in the other case, one escaped.
    for (at, character) in registered.char_indices() {
        let (before, after) = (&registered[..at], &registered[at + character.len_utf8()..]);
        add(format!("{before}{after}"));
        add(format!("{before}{character}{character}{after}"));
        add(format!("{before}%{:02X}{after}", u32::from(character)));
        add(format!("{before}%{:02x}{after}", u32::from(character)));
        if character.is_ascii_lowercase() {
            add(format!("{before}{}{after}", character.to_ascii_uppercase()));
        }
    }
    for end in [
        "/",
        "?",
        "#",
        "&x=1",
        "?x=1",
        "#x",
        "/..",
        "/.",
        "%2F",
        "%00",
        " ",
        "\t",
        "\n",
        "\\",
        ";",
        "@evil.example",
        "//evil.example",
        "\u{200b}",
    ] {
        add(format!("{registered}{end}"));
    }
    for start in
        [" ", "\n", "//", "view-source:", "javascript:", "data:", "\u{feff}", "https://evil.example/"]
    {
        add(format!("{start}{registered}"));
    }
    if let Some((scheme, rest)) = registered.split_once("://") {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        for other in ["http", "https", "ftp", "HTTPS", "javascript"].iter().filter(|other| **other != scheme)
        {
            add(format!("{other}://{rest}"));
        }
        for host in [
            format!("www.{host}"),
            format!("{host}."),
            format!("{host}.evil.example"),
            format!("evil.example/{host}"),
            format!("evil.example?{host}"),
            format!("evil.example#{host}"),
            format!("evil.example\\{host}"),
            format!("{host}@evil.example"),
            format!("user@{host}"),
            format!("user:pass@{host}"),
            format!("{host}:443@evil.example"),
            format!("{host}:0"),
            format!("{host}:99999"),
            format!("{host}:"),
            format!("{host}:80x"),
            format!("{host}%2eevil.example"),
            host.replace('a', "\u{0430}"),
            host.replace('o', "\u{043e}"),
            host.replace('l', "\u{217c}"),
            host.replace('e', "\u{0435}"),
            host.replace('.', "\u{3002}"),
            host.replace('.', "\u{ff0e}"),
            format!("evil-{host}"),
            "evil.example".into(),
            String::new(),
        ] {
            if host != rest.split_once('/').map_or(rest, |(host, _)| host) {
                add(format!("{scheme}://{host}/{path}"));
            }
        }
        for path in [
            format!("../{path}"),
            format!("./{path}"),
            format!("x/../{path}"),
            format!("%2e%2e/{path}"),
            format!("/{path}"),
            format!("{path}/../evil"),
            format!("\\{path}"),
            format!("{path};x=1"),
            String::new(),
            "evil".into(),
        ] {
            add(format!("{scheme}://{host}/{path}"));
        }
    }
    found.remove(registered);
    found
}

#[test]
fn an_address_that_only_looks_like_a_registered_one_is_refused_on_the_page() {
    let mut tried = 0;
    for registered in registered() {
        for uri in near_misses(&registered) {
            let query = form::write([("client_id", ID), ("response_type", "code"), ("redirect_uri", &uri)]);
            let answered = ask(&query);
            // Of a local address only the port may be another one.
            if local(&uri) == Some(("localhost", "/callback")) {
                assert!(answered.is_ok(), "{uri}");
                continue;
            }
            assert_eq!(answered, Err(Refused::OnPage(PageProblem::RedirectUri)), "{uri}");
            tried += 1;
        }
    }
    assert!(tried >= 400, "{tried}");
}

#[test]
fn only_the_port_of_a_local_address_may_vary() {
    let known = "http://localhost:8000/callback";
    for good in [
        "http://localhost:8000/callback",
        "http://localhost:1/callback",
        "http://localhost:65535/callback",
        "http://localhost/callback",
    ] {
        assert!(is_registered(good, known), "{good}");
    }
    for bad in [
        "http://localhost:65536/callback",
        "http://localhost:0/callback",
        "http://localhost:080/callback",
        "http://localhost:/callback",
        "http://localhost:8000/callback/",
        "https://localhost:8000/callback",
        "http://127.0.0.1:8000/callback",
        "http://localhost.evil.example/callback",
        "http://localhost:8000@evil.example/callback",
        "http://localhost:8000evil.example/callback",
        "http://LOCALHOST:8000/callback",
    ] {
        assert!(!is_registered(bad, known), "{bad}");
    }
    assert!(!is_registered("https://app.example:8443/a", "https://app.example/a"));
    for known in ["http://127.0.0.1/callback?a=b", "http://[::1]:8000/callback?a=b"] {
        let host = known.replace(":8000", "");
        let host = host.strip_suffix("/callback?a=b").unwrap();
        for port in ["", ":1", ":8000", ":65535"] {
            assert!(is_registered(&format!("{host}{port}/callback?a=b"), known), "{host}{port}");
        }
        for bad in [
            ":0/callback?a=b",
            ":65536/callback?a=b",
            ":8000/callback",
            "1:80/callback?a=b",
            ":80@evil.example/callback?a=b",
        ] {
            assert!(!is_registered(&format!("{host}{bad}"), known), "{host}{bad}");
        }
        assert!(!is_registered("http://localhost/callback?a=b", known));
        assert!(!is_registered("http://127.0.0.2/callback?a=b", known));
    }
}

proptest! {
    #[test]
    fn any_query_is_judged_and_goes_nowhere_but_to_a_registered_address(query in ".{0,200}", tail in "[a-z_]{1,16}=[ -~]{0,20}") {
        for query in [query.clone(), format!("client_id={ID}&{query}"), format!("client_id={ID}&response_type=code&{tail}")] {
            let to = match ask(&query) {
                Ok(request) => Some(request.to),
                Err(Refused::Return(returned)) => Some(returned.to),
                Err(Refused::OnPage(_)) => None,
            };
            if let Some(Destination::Redirect(uri)) = to {
                prop_assert!(registered().iter().any(|known| is_registered(&uri, known)));
            }
        }
    }

    #[test]
    fn a_state_comes_back_as_it_was(state in "\\PC{1,200}") {
        let query = form::write([("client_id", ID), ("response_type", "code"), ("state", &state)]);
        prop_assert_eq!(ask(&query).unwrap().state, Some(state));
    }
}

#[test]
fn what_a_request_leaves_open_is_what_the_application_has_set() {
    let permissions = Wanted::of_words(["required:read_vin", "control_charge"]).ok();
    let usual = Defaults { permissions, country: Country::find("DE") };
    let with = |more: &str| {
        let query = format!("client_id={ID}&response_type=code&{more}");
        authorize(Door::Authorize, &query, &Terms { usual, ..terms(&registered()) }).unwrap()
    };
    let code = |request: &AuthorizeRequest| request.country.map(|country| country.code);
    let open = with("");
    assert_eq!((open.asked, open.required), (set(&["read_vin", "control_charge"]), set(&["read_vin"])));
    assert_eq!(code(&open), Some("DE"));
    let said = with("scope=read_odometer&flags=country:FR");
    assert_eq!((said.asked, said.required), (set(&["read_odometer"]), set(&[])));
    assert_eq!(code(&said), Some("FR"));
    assert_eq!(code(&with("flags=country:XX")), Some("DE"));
    let half = Defaults { permissions: None, ..usual };
    let query = format!("client_id={ID}&response_type=code");
    let half = authorize(Door::Authorize, &query, &Terms { usual: half, ..terms(&registered()) }).unwrap();
    assert_eq!(half.asked, USUAL_PERMISSIONS);
}

#[test]
fn a_server_without_simulated_cars_refuses_their_modes() {
    let with = |door, mode: &str| {
        let query = format!("client_id={ID}&response_type=code{mode}");
        authorize(door, &query, &Terms { simulated: false, ..terms(&registered()) })
    };
    for mode in ["&mode=test", "&mode=simulated"] {
        for door in [Door::Authorize, Door::Access] {
            let Err(Refused::Return(returned)) = with(door, mode) else { panic!("{mode} at {door:?}") };
            assert_eq!(returned.error, ConnectError::InvalidRequest);
            assert_eq!(returned.description, "mode is live, for this server connects no simulated cars");
        }
    }
    for mode in ["", "&mode=live"] {
        assert_eq!(with(Door::Authorize, mode).unwrap().mode, Mode::Live);
    }
    let vehicle = format!("&vehicle_id={ID}");
    assert!(with(Door::Reauthenticate, &vehicle.replace("code", "vehicle_id")).is_err());
}
