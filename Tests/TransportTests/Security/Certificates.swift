/// Certificates for tests, made once with Python's `cryptography`: self-signed, EC P-256.
enum Certificates {
    /// From 2020-01-01 to 2120-01-01, "one.example". Its end is a GeneralizedTime.
    static let one = """
        -----BEGIN CERTIFICATE-----
        MIIBLjCB1KADAgECAhQTboh6c+a8KVpBG+tIanXIQIdrQTAKBggqhkjOPQQDAjAW
        MRQwEgYDVQQDDAtvbmUuZXhhbXBsZTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEw
        MTAwMDAwMFowFjEUMBIGA1UEAwwLb25lLmV4YW1wbGUwWTATBgcqhkjOPQIBBggq
        hkjOPQMBBwNCAAQ20tl2MpfQLlgKopMnXt9FqqY2QXwxve0BMbhrsthfqrFkVUz5
        gzIvlxqdMTBdY9kGMC36IuE3OPV8X6/3HN7UMAoGCCqGSM49BAMCA0kAMEYCIQC+
        vKXBITf+IlLcebxaQUpBeJIvKsBZTWOQUJ/clcRlSAIhANvrWyWVK+WAbqXCOrSW
        jF6dhQt4PoU59oKduAKxaTqk
        -----END CERTIFICATE-----
        """

    static let oneKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSmws8+8q1QdunMPm
        SyB6VSbE+05TBHbPirsLIxTaBAShRANCAAQ20tl2MpfQLlgKopMnXt9FqqY2QXwx
        ve0BMbhrsthfqrFkVUz5gzIvlxqdMTBdY9kGMC36IuE3OPV8X6/3HN7U
        -----END PRIVATE KEY-----
        """

    /// Another of the same key and name, for renewals.
    static let oneRenewed = """
        -----BEGIN CERTIFICATE-----
        MIIBLTCB1KADAgECAhRnvrRj+RhZQVQWTVlJ19w6eeSwDTAKBggqhkjOPQQDAjAW
        MRQwEgYDVQQDDAtvbmUuZXhhbXBsZTAgFw0yMTAxMDEwMDAwMDBaGA8yMTE5MDEw
        MTAwMDAwMFowFjEUMBIGA1UEAwwLb25lLmV4YW1wbGUwWTATBgcqhkjOPQIBBggq
        hkjOPQMBBwNCAAQ20tl2MpfQLlgKopMnXt9FqqY2QXwxve0BMbhrsthfqrFkVUz5
        gzIvlxqdMTBdY9kGMC36IuE3OPV8X6/3HN7UMAoGCCqGSM49BAMCA0gAMEUCIC9j
        a2W3WrdDthrSQ+TwXpSPOcGT31lCbGjvCBwxEBixAiEA7IBNOOcPBsDJy9Qypdzs
        m14rKfXGmHgyzk2CXlN2wRw=
        -----END CERTIFICATE-----
        """

    /// From 2020-01-01 to 2021-06-05 04:03:02, "old.example".
    static let expired = """
        -----BEGIN CERTIFICATE-----
        MIIBKzCB0qADAgECAhRYdJETn6PNy9FRm8IYZ+OB+B+sDDAKBggqhkjOPQQDAjAW
        MRQwEgYDVQQDDAtvbGQuZXhhbXBsZTAeFw0yMDAxMDEwMDAwMDBaFw0yMTA2MDUw
        NDAzMDJaMBYxFDASBgNVBAMMC29sZC5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZI
        zj0DAQcDQgAENtLZdjKX0C5YCqKTJ17fRaqmNkF8Mb3tATG4a7LYX6qxZFVM+YMy
        L5canTEwXWPZBjAt+iLhNzj1fF+v9xze1DAKBggqhkjOPQQDAgNIADBFAiEAzNOa
        Iku9400u3MGAA6xRUWx9WOKY8gsNQNqZvffYLX0CIEseYFlp6BPNw4mB91fIBvrD
        0YC/cJ1Wu9MkTkYoqa5O
        -----END CERTIFICATE-----
        """

    /// From 2110-01-01, "future.example".
    static let future = """
        -----BEGIN CERTIFICATE-----
        MIIBNjCB3KADAgECAhRJqZ1dSgcj4wfg3LLnzQTWFfJ53DAKBggqhkjOPQQDAjAZ
        MRcwFQYDVQQDDA5mdXR1cmUuZXhhbXBsZTAiGA8yMTEwMDEwMTAwMDAwMFoYDzIx
        MjAwMTAxMDAwMDAwWjAZMRcwFQYDVQQDDA5mdXR1cmUuZXhhbXBsZTBZMBMGByqG
        SM49AgEGCCqGSM49AwEHA0IABDbS2XYyl9AuWAqikyde30WqpjZBfDG97QExuGuy
        2F+qsWRVTPmDMi+XGp0xMF1j2QYwLfoi4Tc49Xxfr/cc3tQwCgYIKoZIzj0EAwID
        SQAwRgIhALKzSLcgDXD6faxDd7SCTfR5luifXT0q4YdwrrzaJ7RPAiEA7wcUTPIJ
        X9DNl5MsoSxW8GughLv00Hd0WIkhv570omM=
        -----END CERTIFICATE-----
        """

    /// A key of none of these.
    static let otherKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYaDZPobRTvLID8lM
        GyFoDNt1SkEyueZOQiNq76WIjGihRANCAARj+5MMh6sK6lpNnKE/wT9gbuv5SFIi
        gcWpTw0uTJCmftV1RGWMAViOw0w7kisSmwYsHF5/aaXucLa/Z1rT2Io9
        -----END PRIVATE KEY-----
        """
}
