"""Rows as a network takes them, by scikit-learn's transformers, which see training rows alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models.tasks.cohort import Split
from models.tasks.parts import Part, Parts


def encoded(parts: Parts) -> dict[Split, Part]:
    """The parts with inputs float32 [n, numbers and categories] where there were columns.

    A column without any number among the training rows is 0. A category that none of them has is
    none of those that they have.
    """
    training = parts["training"]
    columns = np.arange(training.inputs.shape[1])
    categories = np.array(training.categories, dtype=np.intp)
    numbers = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    choices = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    transformer = ColumnTransformer(
        [("numbers", numbers, np.setdiff1d(columns, categories)), ("choices", choices, categories)]
    )
    transformer.fit(training.inputs)
    return {
        split: replace(part, inputs=transformer.transform(part.inputs).astype(np.float32))
        for split, part in parts.items()
    }
