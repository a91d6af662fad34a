//! What pages say, in every language.

use super::*;

#[tokio::test]
async fn pages_speak_the_language_of_the_browser_or_the_one_that_was_chosen() {
    let server = Server::new().await;
    let client = application(&server).await;
    let path = format!("/oauth/authorize?client_id={client}&response_type=code&mode=test&flags=country:DE");
    let mut owner = Visitor::of(&server, client);
    let request = Request::get(&path).header(header::ACCEPT_LANGUAGE, "de-DE,en;q=0.5");
    owner.go(request.body(Body::empty()).unwrap(), &path).await;
    assert!(owner.shown.body.contains(r#"<html lang="de">"#));
    assert!(owner.shown.body.contains(r#"<option value="DE" selected>"#));
    owner.must("start", &[("language", "fr"), ("country", "CH"), ("action", "language")]).await;
    owner.is_at("start");
    assert!(owner.shown.body.contains(r#"<html lang="fr">"#));
    assert!(owner.shown.body.contains(r#"<option value="CH" selected>"#));
    owner.must("start", &[("action", "continue")]).await;
    assert!(owner.shown.body.contains("Choisissez la marque"));
}

/// A visit in another language, from its first page on.
async fn in_language<'a>(server: &'a Server, client: &str, language: &str, door: &str) -> Visitor<'a> {
    let mut owner = Visitor::of(server, client.to_owned());
    let request = Request::get(door).header(header::ACCEPT_LANGUAGE, language);
    owner.go(request.body(Body::empty()).unwrap(), door).await;
    assert_eq!(owner.shown.status, 200, "{}", owner.shown.body);
    owner
}

#[tokio::test]
async fn each_door_says_in_every_language_what_happens_behind_it() {
    let server = Server::new().await;
    let (client, vehicle) = linked(&server).await;
    let doors = [
        format!("/oauth/authorize?client_id={client}&response_type=code&mode=test"),
        format!("/oauth/reauthenticate?client_id={client}&response_type=vehicle_id&vehicle_id={vehicle}"),
        format!(
            "/battery-capacity?client_id={client}&response_type=vehicle_id&vehicle_id={vehicle}&token=00"
        ),
        format!("/connect/access?client_id={client}&mode=test"),
    ];
    let mut said = BTreeSet::new();
    for language in ["en", "de", "fr"] {
        for door in &doors {
            let owner = in_language(&server, &client, language, door).await;
            let part = |from: &str, to: &str| {
                let (_, rest) = owner.shown.body.split_once(from).unwrap();
                rest.split_once(to).unwrap().0.to_owned()
            };
            said.insert(part("<h1>", "</h1>"));
            said.insert(part("<p class=\"lead\">", "</p>"));
        }
    }
    assert_eq!(said.len(), 3 * doors.len() * 2, "{said:?}");
}

#[tokio::test]
async fn an_owner_reads_no_words_of_the_wire() {
    let server = Server::new().await;
    let client = application(&server).await;
    let door = |more: &str| format!("/oauth/authorize?client_id={client}&mode=test&{more}");
    for (language, vin, make, model, year, sentence, developers) in [
        (
            "en",
            "Vehicle number (VIN)",
            "Brand",
            "Model",
            "Model year",
            "You can close",
            "For those who build",
        ),
        ("de", "Fahrgestellnummer (VIN)", "Marke", "Modell", "Modelljahr", "Sie können", "Für die, die die"),
        (
            "fr",
            "Numéro du véhicule (VIN)",
            "Marque",
            "Modèle",
            "Année du modèle",
            "Vous pouvez",
            "Pour celles et ceux",
        ),
    ] {
        let mut owner =
            in_language(&server, &client, language, &door("response_type=none&make=CHEVROLET")).await;
        owner.must("start", &[("language", language)]).await;
        owner.must("sign-in", &[("username", "old@x.example"), ("password", "p")]).await;
        let rows = [(vin, "0MPOLD00000000001"), (make, "Chevrolet"), (model, "T"), (year, "1912")];
        let rows = rows.map(|(label, value)| format!("<dt>{label}</dt><dd>{value}</dd>\n")).concat();
        assert!(owner.shown.body.contains(&format!("<dl>\n{rows}</dl>")), "{}", owner.shown.body);

        owner.must("problem", &[("action", "share")]).await;
        owner.is_at("done");
        let (before, raw) = owner.shown.body.split_once("<details>").expect("there is a part for developers");
        assert!(before.contains(&format!("<p class=\"lead\">{sentence}")), "{before}");
        assert!(!before.contains("vehicle_incompatible") && !before.contains("<dl"), "{before}");
        assert!(raw.starts_with(&format!("\n<summary>{developers}")), "{raw}");
        assert!(raw.contains("<dt>error</dt><dd>vehicle_incompatible</dd>"), "{raw}");

        let mut owner = in_language(&server, &client, language, &door("response_type=code")).await;
        owner.must("start", &[("language", language)]).await;
        owner.send_to(&format!("/connect/code?visit={}", owner.visit())).await;
        let to = owner.shown.headers[header::LOCATION].to_str().unwrap().to_owned();
        owner.send_to(&to).await;
        let (before, raw) = owner.shown.body.split_once("<details>").expect("there is a part for developers");
        assert!(!before.contains("left out") && raw.contains("a step of the visit was left out"), "{before}");
    }
}

#[tokio::test]
async fn the_simulator_says_in_every_language_what_does_beside_a_password() {
    let server = Server::new().await;
    let client = application(&server).await;
    for (language, hint) in [
        ("en", "any digits will do, unless all of them are zeros"),
        ("de", "Beliebige Ziffern genügen, nur nicht lauter Nullen"),
        ("fr", "n’importe quels chiffres conviennent, sauf uniquement des zéros"),
    ] {
        for mode in ["test", "simulated"] {
            let door =
                format!("/oauth/authorize?client_id={client}&mode={mode}&response_type=code&make=RIVIAN");
            let mut owner = in_language(&server, &client, language, &door).await;
            owner.must("start", &[("language", language)]).await;
            assert!(!owner.shown.body.contains(hint));
            owner.must("sign-in", &[("username", "jo@x.example"), ("password", "p")]).await;
            owner.is_at("code");
            assert!(owner.shown.body.contains(hint), "{}", owner.shown.body);
        }
    }
}
