from benchmarks.speed import stores


def test_every_form_and_store_is_measured(quick):
    rows = quick(stores.main)["rows"]
    found = {(row["images"], row["form"], row["store"]) for row in rows}
    assert found == {(stores.CLASSES, form, store) for form in stores.FORMS for store in stores.STORES}
    assert all(row["again"]["images_per_second"] > 0 for row in rows)
